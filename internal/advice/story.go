package advice

import (
	"slices"
	"strings"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/phrase"
)

// Story is a finer kind of cause: what the words of a line tell beyond the catalogue's entry, which is for all programs. A
// full disk and a crashed worker are both a gateway that failed, and nothing that helps with one helps with the other. Zero
// is none. The numbers mean nothing outside of one run.
type Story uint8

// story is what one kind of line tells.
type story struct {
	products string        // the families of products whose lines it is, joined by bars; empty for any
	causes   []fault.Cause // the causes that such lines are judged to
	words    string        // one of these stands in the line, in lower case, joined by bars
	and      string        // one of these as well, empty for nothing
	title    string        // a few words, in place of the catalogue's; empty where those are right
	sentence string        // says what happened, in place of the catalogue's; empty where that one is right
	do       []directive   // what to do, before all other advice
	alone    bool          // the other advice of the cause is about something else
	unlogged bool          // no log format would tell more
	certain  bool          // the words leave no doubt
	check    string        // the one command or line that makes it certain
}

// stories has them all; the first that fits counts.
var stories = slices.Concat(storiesOfNginx, storiesOfHAProxy, storiesOfOthers, storiesOfAll)

// storiesMax is how many there may be: a Story is an octet, and zero is none.
const storiesMax = 255

// ofCause has the numbers of the stories of each cause.
var ofCause = func() (of [fault.Causes][]Story) {
	for i := range stories {
		for _, c := range stories[i].causes {
			of[c] = append(of[c], Story(i+1))
		}
	}
	return of
}()

// storyWords finds whether a line has the words of any story at all, which few have.
var storyWords = func() *phrase.Finder {
	var words []string
	for i := range stories {
		words = append(words, strings.Split(stories[i].words, "|")...)
	}
	return phrase.NewFinder(words)
}()

// StoryOf finds what the words of a line tell beyond its cause; zero for nothing.
func StoryOf(product string, c fault.Cause, line []byte) Story {
	if int(c) >= len(ofCause) || len(ofCause[c]) == 0 {
		return 0
	}
	line = line[:min(len(line), lineMax)]
	if !storyWords.Any(line) {
		return 0
	}
	family := FamilyOf(product)
	for _, n := range ofCause[c] {
		s := &stories[n-1]
		if s.of(family) && phrase.OneOf(line, s.words) && (s.and == "" || phrase.OneOf(line, s.and)) {
			return n
		}
	}
	return 0
}

// lineMax is how much of a line is looked at, in octets.
const lineMax = 2 << 10

func (s *story) of(family string) bool {
	if s.products == "" {
		return true
	}
	for name := range strings.SplitSeq(s.products, "|") {
		if name == family {
			return true
		}
	}
	return false
}

func (n Story) story() *story {
	if n == 0 || int(n) > len(stories) {
		return nil
	}
	return &stories[n-1]
}

// Sentence says what happened where the story says it better than the catalogue; empty where not.
func (n Story) Sentence(f *Facts) string {
	if s := n.story(); s != nil {
		return f.fill(s.sentence)
	}
	return ""
}

// Title is what happened in a few words, empty where the catalogue's title is right.
func (n Story) Title() string {
	if s := n.story(); s != nil {
		return s.title
	}
	return ""
}

// Certain reports whether the words leave no doubt about the cause.
func (n Story) Certain() bool { s := n.story(); return s != nil && s.certain }

// Unlogged reports whether no log format would tell more: nothing was asked for yet.
func (n Story) Unlogged() bool { s := n.story(); return s != nil && s.unlogged }
