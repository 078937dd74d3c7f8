// Package azurekeyvault is left out: Vault encrypts the sandbox's state. A URL of its kind is answered with "no driver registered".
package azurekeyvault
