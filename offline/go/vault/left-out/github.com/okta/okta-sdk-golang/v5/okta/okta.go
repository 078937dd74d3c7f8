// Package okta is left out: it asks Okta for a second factor when somebody logs in to Vault. These are the names of it that
// Vault uses; the first of its calls fails.
package okta

import (
	"context"
	"errors"
	"net/http"
)

type (
	Configuration struct{ Context context.Context }
	ConfigSetter  func(*Configuration)
	APIClient     struct {
		UserAPI       UserAPI
		UserFactorAPI UserFactorAPI
	}
	UserAPI       struct{}
	UserFactorAPI struct{}

	// Call is a request that is not sent; its answer would be a T.
	Call[T any] struct{}

	User           struct{ identified }
	UserFactorPush struct{ identified }
	Factor         struct{ UserFactorPush *UserFactorPush }
	Verification   struct{ Links map[string]any }
	Transaction    struct {
		UserFactorPushTransaction, UserFactorPushTransactionWaiting         *struct{}
		UserFactorPushTransactionRejected, UserFactorPushTransactionTimeout *struct{}
	}
	identified struct{}
)

func NewConfiguration(...ConfigSetter) (*Configuration, error) {
	return nil, errors.New("the sandbox's Vault was built without Okta")
}
func WithToken(string) ConfigSetter  { return nil }
func WithOrgUrl(string) ConfigSetter { return nil }
func WithCache(bool) ConfigSetter    { return nil }

func NewAPIClient(*Configuration) *APIClient { return &APIClient{} }

func (*APIClient) GetConfig() *Configuration { return &Configuration{} }

func (UserAPI) ListUsers(context.Context) Call[[]User] { return Call[[]User]{} }

func (UserFactorAPI) ListFactors(context.Context, string) Call[[]Factor] { return Call[[]Factor]{} }
func (UserFactorAPI) VerifyFactor(context.Context, string, string) Call[*Verification] {
	return Call[*Verification]{}
}
func (UserFactorAPI) GetFactorTransactionStatus(context.Context, string, string, string) Call[*Transaction] {
	return Call[*Transaction]{}
}

func (call Call[T]) Filter(string) Call[T] { return call }
func (Call[T]) Execute() (answer T, response *http.Response, err error) {
	return answer, nil, errors.New("not sent")
}

func (identified) GetId() string { return "" }

func (*Verification) GetFactorResult() string { return "" }
