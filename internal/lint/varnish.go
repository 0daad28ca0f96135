package lint

var varnishRules = []Rule{}
