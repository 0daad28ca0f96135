package lint

var apacheRules = []Rule{}
