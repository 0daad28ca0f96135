package lint

var appRules = []Rule{}
