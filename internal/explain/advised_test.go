package explain

import (
	"testing"

	"github.com/whygate/whygate/internal/advice"
)

func TestEachProductHasAdvice(t *testing.T) {
	t.Parallel()
	for _, f := range Formats() {
		if f.Product != "whygate" && !advice.Knows(f.Product) {
			t.Errorf("%s: nothing is known of the product %q", f.Name, f.Product)
		}
	}
}
