package h1

// State is what a parser awaits. It is public so that evidence can say how far a message had come.
type State uint8

// The states in the order in which a message passes through them.
const (
	AwaitStartLine State = iota // the first octet of a message
	AwaitMethod
	AwaitTarget
	AwaitVersion // of a request line
	AwaitLineEnd // of a request line
	AwaitStatusLine
	AwaitStatusCode
	AwaitReason
	AwaitFieldLine // the first octet of a field line, or the empty line
	AwaitFieldName
	AwaitColon // whitespace followed the name
	AwaitFieldValue
	AwaitValueEnd
	AwaitHeadEnd // the LF of the empty line
	AwaitBody    // payload that ends by length or by close
	AwaitChunkSize
	AwaitChunkExtension
	AwaitChunkData
	AwaitChunkEnd
	AwaitTrailers
	AwaitEnd // nothing: the message is complete
)

var stateNames = [...]string{
	AwaitStartLine: "start line", AwaitMethod: "method", AwaitTarget: "request target", AwaitVersion: "HTTP version",
	AwaitLineEnd: "end of request line", AwaitStatusLine: "status line", AwaitStatusCode: "status code", AwaitReason: "reason phrase",
	AwaitFieldLine: "field line", AwaitFieldName: "field name", AwaitColon: "colon", AwaitFieldValue: "field value",
	AwaitValueEnd: "end of field value", AwaitHeadEnd: "end of head", AwaitBody: "body", AwaitChunkSize: "chunk size",
	AwaitChunkExtension: "chunk extension", AwaitChunkData: "chunk data", AwaitChunkEnd: "end of chunk",
	AwaitTrailers: "trailer fields", AwaitEnd: "end of message",
}

// String names what is awaited in the words of RFC 9112.
func (s State) String() string { return stateNames[s] }
