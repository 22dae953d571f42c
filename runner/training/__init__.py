"""What a training consists of, alone or together: data, model, loss, schedule, metrics; and the lone loop."""
