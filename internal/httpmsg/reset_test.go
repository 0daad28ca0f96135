package httpmsg

import (
	"reflect"
	"testing"
)

// Reset leaves nothing of the message before, whatever fields a message comes to have: they are set one by one.
func TestResetLeavesNothing(t *testing.T) {
	fill := func(v reflect.Value) {
		for i := range v.NumField() {
			switch f := v.Field(i); f.Kind() {
			case reflect.Slice:
				f.Set(reflect.MakeSlice(f.Type(), 1, 1))
			case reflect.Bool:
				f.SetBool(true)
			case reflect.Int, reflect.Int64:
				f.SetInt(7)
			case reflect.Uint8, reflect.Uint16:
				f.SetUint(7)
			case reflect.Struct: // Fields
			default:
				t.Fatalf("a field of kind %s", f.Kind())
			}
		}
	}
	q := Request{Fields: Fields{buf: []byte("x"), list: make([]Span, 2, 8), present: 1, held: 1, heldPresent: 1}}
	q.Trailers = q.Fields
	fill(reflect.ValueOf(&q).Elem())
	q.Reset()
	empty := Fields{list: q.Fields.list[:0]}
	if want := (Request{Fields: empty, Trailers: empty}); !reflect.DeepEqual(q, want) || cap(q.Fields.list) != 8 {
		t.Errorf("%+v is left", q)
	}
	r := Response{Fields: Fields{buf: []byte("x"), list: make([]Span, 2, 8), present: 1, held: 1, heldPresent: 1}}
	r.Trailers = r.Fields
	fill(reflect.ValueOf(&r).Elem())
	r.Reset()
	if want := (Response{Fields: empty, Trailers: empty}); !reflect.DeepEqual(r, want) || cap(r.Fields.list) != 8 {
		t.Errorf("%+v is left", r)
	}
}
