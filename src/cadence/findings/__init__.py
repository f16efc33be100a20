"""What is wrong with a training before it runs: rules over scripts, schedules, recipes and configurations."""
