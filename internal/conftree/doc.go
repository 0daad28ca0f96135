// Package conftree reads configurations of many syntaxes into one kind of tree, each node with its file and line: nginx, HAProxy, Apache,
// Caddyfile, VCL, YAML, JSON, TOML, XML, INI files, and the settings in files of Python and Ruby. Everything is bounded: bytes, nodes,
// depth, files, includes.
//
// It must not know what a configuration means.
package conftree
