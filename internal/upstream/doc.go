// Package upstream makes one attempt to have a request answered by one endpoint, stage by stage: resolve, dial, TLS, write,
// first byte, head. Whatever stops it is written into fault.Evidence where it happens. It keeps the connections that may
// carry another request.
//
// It must not know policy: not which endpoint to ask, not whether to ask again, not what to answer the client.
package upstream
