// Package s3blob is left out: the sandbox's state is in PostgreSQL. A URL of its kind is answered with "no driver registered".
package s3blob
