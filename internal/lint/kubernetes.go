package lint

var kubernetesRules = []Rule{}
