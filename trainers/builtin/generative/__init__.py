"""What the trainers that generate images share."""
