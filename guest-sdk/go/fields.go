package relight

import (
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Fields of structs as encoding/json sees them, and those of a payload that are missing.

// fieldOf is a field of the JSON of a struct.
type fieldOf struct {
	reflect.StructField
	name string
	// isRequired unless the tag or a pointer says that it may be left out.
	isRequired bool
	// isText where the tag puts a number into quotes.
	isText bool
}

// fieldsOf are the fields of a struct, those of embedded structs among them.
func fieldsOf(shape reflect.Type) []fieldOf {
	var fields []fieldOf
	for _, field := range reflect.VisibleFields(shape) {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		flattened := field.Anonymous && name == ""
		if len(field.Index) > 1 && !promoted(shape, field) || flattened || !field.IsExported() || name == "-" && options == "" {
			continue
		}
		if name == "" {
			name = field.Name
		}
		fields = append(fields, fieldOf{
			StructField: field, name: name, isText: strings.Contains(options, "string"),
			isRequired: !strings.Contains(options, "omit") && field.Type.Kind() != reflect.Pointer,
		})
	}
	return fields
}

// promoted tells whether every struct on the way to a field is embedded without a name of its own.
func promoted(shape reflect.Type, field reflect.StructField) bool {
	for depth := 1; depth < len(field.Index); depth++ {
		name, _, _ := strings.Cut(shape.FieldByIndex(field.Index[:depth]).Tag.Get("json"), ",")
		if name != "" {
			return false
		}
	}
	return true
}

// missing is an error that names the first required field that a payload does not have, or has as null where its type has no
// null. The payload has been decoded as this type without an error; place is where it stands.
func missing(shape reflect.Type, payload json.RawMessage, place string) error {
	if !holdsFields(shape, nil) {
		return nil
	}
	isNull := string(payload) == "null"
	switch shape.Kind() {
	case reflect.Pointer:
		if isNull {
			return nil
		}
		return missing(shape.Elem(), payload, place)
	case reflect.Slice, reflect.Array:
		var elements []json.RawMessage
		if err := json.Unmarshal(payload, &elements); err != nil {
			return err
		}
		for at, element := range elements {
			if err := missing(shape.Elem(), element, place+"["+strconv.Itoa(at)+"]"); err != nil {
				return err
			}
		}
		return nil
	case reflect.Map:
		var values map[string]json.RawMessage
		if err := json.Unmarshal(payload, &values); err != nil {
			return err
		}
		for _, key := range slices.Sorted(maps.Keys(values)) {
			if err := missing(shape.Elem(), values[key], within(place, key)); err != nil {
				return err
			}
		}
		return nil
	default:
		return missingOfStruct(shape, payload, place)
	}
}

func missingOfStruct(shape reflect.Type, payload json.RawMessage, place string) error {
	var values map[string]json.RawMessage
	if err := json.Unmarshal(payload, &values); err != nil {
		return err
	}
	for _, field := range fieldsOf(shape) {
		value, found := valueOf(values, field.name)
		path := within(place, field.name)
		switch {
		case !found && field.isRequired:
			return fmt.Errorf("missing field `%s`", path)
		case !found:
			continue
		case string(value) == "null" && field.isRequired && hasNoNull(field.Type):
			return fmt.Errorf("the field `%s` is null", path)
		case string(value) == "null":
			continue
		}
		if err := missing(field.Type, value, path); err != nil {
			return err
		}
	}
	return nil
}

// valueOf finds a field as encoding/json does: whatever the case, where there is none of this very name.
func valueOf(values map[string]json.RawMessage, field string) (json.RawMessage, bool) {
	value, found := values[field]
	if found {
		return value, true
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if strings.EqualFold(name, field) {
			return values[name], true
		}
	}
	return nil, false
}

func within(place, name string) string {
	if place == "" {
		return name
	}
	return place + "." + name
}

// decodesItself tells whether a type decides by itself what it takes.
func decodesItself(shape reflect.Type) bool {
	return shape == reflect.TypeFor[json.RawMessage]() || implements[json.Unmarshaler](shape) ||
		implements[encoding.TextUnmarshaler](shape)
}

// hasNoNull tells whether a type has no value that means null.
func hasNoNull(shape reflect.Type) bool {
	switch shape.Kind() {
	case reflect.Pointer, reflect.Interface, reflect.Map, reflect.Slice:
		return false
	default:
		return !decodesItself(shape)
	}
}

// holdsFields tells whether values of a type have fields of structs somewhere; outer are the types around it.
func holdsFields(shape reflect.Type, outer []reflect.Type) bool {
	if shape.Kind() != reflect.Pointer && decodesItself(shape) {
		return false
	}
	switch shape.Kind() {
	case reflect.Struct:
		return true
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		if slices.Contains(outer, shape) {
			return false
		}
		return holdsFields(shape.Elem(), append(outer, shape))
	default:
		return false
	}
}
