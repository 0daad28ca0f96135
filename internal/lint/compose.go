package lint

var composeRules = []Rule{}
