//go:build !wasip1

package relight

func (s *source) install() { s.forget() }
