"""Training without knowing any method: the loop, the updater, averages, schedules and seeds."""
