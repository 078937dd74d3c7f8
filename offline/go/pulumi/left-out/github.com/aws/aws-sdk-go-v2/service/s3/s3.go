// Package s3 is left out, with the package s3blob that uses it.
package s3

type CopyObjectInput struct{ CopySource *string }
