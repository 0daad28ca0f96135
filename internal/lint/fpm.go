package lint

var fpmRules = []Rule{}
