// Package packtest makes values of which no field is forgotten when they are packed.
package packtest

import (
	"fmt"
	"reflect"
	"time"
)

// Full returns a T in which every field is something that no other has, so that a field
// which is forgotten, or read in another's place, is noticed. Lists get two elements.
// special, if not nil, sets what not any value would do for, and says whether it did.
func Full[T any](special func(v reflect.Value, n int) bool) (t T) {
	f := filler{special: special}
	f.fill(reflect.ValueOf(&t).Elem())
	return t
}

type filler struct {
	n       int
	special func(reflect.Value, int) bool
}

func (f *filler) fill(v reflect.Value) {
	f.n++
	if f.special != nil && f.special(v, f.n) {
		return
	}
	if v.Type() == reflect.TypeFor[time.Time]() {
		v.Set(reflect.ValueOf(time.Unix(int64(f.n), int64(f.n)).UTC()))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			f.fill(v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		f.fill(v.Index(0))
		f.fill(v.Index(1))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem())
	case reflect.String:
		v.SetString(fmt.Sprintf("text %d", f.n))
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(f.n))
	case reflect.Bool:
		v.SetBool(true)
	default:
		panic("packtest: a field of a kind that is not known: " + v.Type().String())
	}
}
