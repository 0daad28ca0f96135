package lint

var haproxyRules = []Rule{}
