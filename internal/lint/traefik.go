package lint

var traefikRules = []Rule{}
