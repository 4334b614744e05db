"""Many images and slides as one piece of work: what they are, who does which, what is done."""
