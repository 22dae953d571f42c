"""What pictures need beside the tables: surfaces, fitted curves, images, model summaries."""
