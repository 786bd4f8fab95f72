"""What is asked: from a wish or a suite to the trials that answer it."""
