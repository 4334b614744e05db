"""What methods and networks cost: operations, time and memory, measured."""
