package lint

var iisRules = []Rule{}
