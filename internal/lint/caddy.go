package lint

var caddyRules = []Rule{}
