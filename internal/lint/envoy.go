package lint

var envoyRules = []Rule{}
