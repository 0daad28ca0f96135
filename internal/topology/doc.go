// Package topology lists what configurations set up: proxies with their servers, routes and upstreams, and the applications behind
// them with where they listen and how long they wait, each with its file and line. It reads the files of many products, and finds out
// which application an upstream leads to.
//
// It must not know what is wrong with any of it.
package topology
