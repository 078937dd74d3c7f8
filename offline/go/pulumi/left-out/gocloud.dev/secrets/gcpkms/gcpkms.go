// Package gcpkms is left out: Vault encrypts the sandbox's state.
package gcpkms

import (
	"context"
	"errors"
	"net/url"

	"gocloud.dev/gcp"
	"gocloud.dev/secrets"
)

const Scheme = "gcpkms"

var errLeftOut = errors.New("the sandbox's Pulumi was built without Google's keys")

type Client struct{}

func Dial(context.Context, gcp.TokenSource) (*Client, func(), error) { return nil, nil, errLeftOut }

type URLOpener struct{ Client *Client }

func (*URLOpener) OpenKeeperURL(context.Context, *url.URL) (*secrets.Keeper, error) {
	return nil, errLeftOut
}
