
// The start ----------------------------------------------------------------------------------------------------------

enhance(document);
enhanceLegend(document);
addMotions(document);
