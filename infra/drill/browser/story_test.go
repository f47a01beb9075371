package browser

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// story is what a person has done, step by step, and how long a person takes for
// it: by the keystroke-level model of Card, Moran and Newell ("The Psychology of
// Human-Computer Interaction", 1983), 1.35 s to think and 1.3 s to point and
// press; a character every third of a second, which is slow for a telephone's
// keyboard; and 3 s to read each new page.
type story struct {
	lines   []string
	presses int
	chars   int
	pages   int
}

const (
	timeToPress = 2650 * time.Millisecond
	timeToType  = 333 * time.Millisecond
	timeToRead  = 3 * time.Second
)

func (s *story) pressed(words string) {
	s.presses++
	s.lines = append(s.lines, "press “"+firstWords(words)+"”")
}

func (s *story) wrote(field, text string) {
	s.presses++ // to get into the field
	s.chars += utf8.RuneCountInString(text)
	s.lines = append(s.lines, fmt.Sprintf("write %q into %s", firstWords(text), field))
}

func (s *story) read(title string) {
	s.pages++
	s.lines = append(s.lines, "    → "+title)
}

// time is how long all of it takes a person.
func (s *story) time() time.Duration {
	return time.Duration(s.presses)*timeToPress + time.Duration(s.chars)*timeToType + time.Duration(s.pages)*timeToRead
}

func (s *story) String() string {
	return fmt.Sprintf("%s\n%d presses, %d characters, %d pages: %v of a person's time",
		strings.Join(s.lines, "\n"), s.presses, s.chars, s.pages, s.time().Round(time.Second))
}

// firstWords shortens what something says to its first line.
func firstWords(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}
