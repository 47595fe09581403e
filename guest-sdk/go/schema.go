package relight

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strings"
	"time"

	"github.com/relight-dev/relight/guest-sdk/go/internal/host"
)

// JSON schemas of inputs and outputs, from their types. What encoding/json does decides: names, omitted fields, embedded structs.
// The tag doc describes a field, the tag enum lists the values of a text:
//
//	type Ticket struct {
//		ID     string `json:"id" doc:"Such as A1."`
//		Status string `json:"status" enum:"available,reserved,sold"`
//	}

const contentType = "application/json"

func inputDef[T any]() host.PayloadDef {
	shape := reflect.TypeFor[T]()
	if shape == reflect.TypeFor[Void]() {
		return host.PayloadDef{}
	}
	definition := payloadDef(shape)
	definition.Required = !takesNull[T]()
	return definition
}

func outputDef[T any]() host.PayloadDef { return payloadDef(reflect.TypeFor[T]()) }

// takesNull tells whether null is a value of its own for a type, so that a body may be left out.
func takesNull[T any]() bool {
	shape := reflect.TypeFor[T]()
	if shape == reflect.TypeFor[Void]() {
		return true
	}
	switch shape.Kind() {
	case reflect.Pointer, reflect.Interface, reflect.Map, reflect.Slice:
		return true
	default:
		return false
	}
}

func payloadDef(shape reflect.Type) host.PayloadDef {
	g := &generator{definitions: map[string]any{}, names: map[reflect.Type]string{}}
	document := g.schema(shape)
	if len(g.definitions) > 0 {
		document["$defs"] = g.definitions
	}
	document["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	// Maps are encoded in the order of their keys.
	text, kind := string(encode(document)), contentType
	return host.PayloadDef{Required: true, ContentType: &kind, JSONSchema: &text}
}

type schema = map[string]any

type generator struct {
	// definitions by name: the structs that have one.
	definitions map[string]any
	names       map[reflect.Type]string
}

func (g *generator) schema(shape reflect.Type) schema {
	switch {
	case shape.Kind() == reflect.Pointer:
		return schema{"anyOf": []any{g.schema(shape.Elem()), schema{"type": "null"}}}
	case shape == reflect.TypeFor[Void]():
		return schema{"type": "null"}
	case shape == reflect.TypeFor[time.Time]():
		return schema{"type": "string", "format": "date-time"}
	case shape == reflect.TypeFor[json.RawMessage](), implements[json.Marshaler](shape):
		return schema{}
	case implements[encoding.TextMarshaler](shape):
		return schema{"type": "string"}
	}
	switch shape.Kind() {
	case reflect.Bool:
		return schema{"type": "boolean"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return schema{"type": "integer"}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return schema{"type": "integer", "minimum": 0}
	case reflect.Float32, reflect.Float64:
		return schema{"type": "number"}
	case reflect.String:
		return schema{"type": "string"}
	case reflect.Slice:
		if shape.Elem().Kind() == reflect.Uint8 {
			return schema{"type": []string{"string", "null"}, "contentEncoding": "base64"}
		}
		return schema{"type": []string{"array", "null"}, "items": g.schema(shape.Elem())}
	case reflect.Array:
		return schema{"type": "array", "items": g.schema(shape.Elem()), "minItems": shape.Len(), "maxItems": shape.Len()}
	case reflect.Map:
		return schema{"type": []string{"object", "null"}, "additionalProperties": g.schema(shape.Elem())}
	case reflect.Struct:
		return g.reference(shape)
	default:
		return schema{}
	}
}

func implements[I any](shape reflect.Type) bool {
	return shape.Implements(reflect.TypeFor[I]()) || reflect.PointerTo(shape).Implements(reflect.TypeFor[I]())
}

// reference is the schema of a struct: a reference to its definition where it has a name, for it may hold itself.
func (g *generator) reference(shape reflect.Type) schema {
	if shape.Name() == "" {
		return g.object(shape)
	}
	name, known := g.names[shape]
	if !known {
		name = shape.Name()
		for g.definitions[name] != nil {
			name += "_"
		}
		g.names[shape] = name
		g.definitions[name] = schema{}
		g.definitions[name] = g.object(shape)
	}
	return schema{"$ref": "#/$defs/" + name}
}

func (g *generator) object(shape reflect.Type) schema {
	properties, required := schema{}, []string{}
	for _, field := range fieldsOf(shape) {
		property := g.schema(field.Type)
		if field.isText {
			property = schema{"type": "string"}
		}
		if text := field.Tag.Get("doc"); text != "" {
			property["description"] = text
		}
		if values := field.Tag.Get("enum"); values != "" {
			property["enum"] = strings.Split(values, ",")
		}
		properties[field.name] = property
		if field.isRequired {
			required = append(required, field.name)
		}
	}
	object := schema{"type": "object", "properties": properties}
	if len(required) > 0 {
		object["required"] = required
	}
	return object
}
