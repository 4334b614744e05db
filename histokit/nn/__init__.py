"""Networks that any method may borrow by name, their heads, and taps into their features."""
