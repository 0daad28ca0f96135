package store

import (
	"os"
	"testing"

	"github.com/whygate/whygate/internal/pgtest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	pgtest.Close()
	os.Exit(code)
}

// onPostgres gives a Place in a new database of a real server, or skips the test and says why.
func onPostgres(t *testing.T) Place {
	t.Helper()
	return Place{postgres, pgtest.The(t).Database(t)}
}
