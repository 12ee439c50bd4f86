package types

// Steps is how many steps a comparison has made.
func (c *Comparison) Steps() int { return maxSteps - c.left }
