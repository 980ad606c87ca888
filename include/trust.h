/*
 * Signatures of files by minisign or OpenBSD's signify: Ed25519 over the file, or (minisign's usual kind,
 * algorithm "ED") over its BLAKE2b-512 hash. Formats: https://jedisct1.github.io/minisign/ and signify(1).
 */
#ifndef VMB_INCLUDE_TRUST_H
#define VMB_INCLUDE_TRUST_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"

#define TRUST_SIGNATURE_MAX 4096 /* bytes of a .minisig or .sig file */

/* What is added to a file's name for that of its signature, NULL at the end. */
extern const char *const trust_signature_ends[];

/* Reads the signature beside FILE into TEXT (TRUST_SIGNATURE_MAX bytes). Its length, 0 when there is none. */
size_t trust_read_signature(const char *file, char *text);

struct trust_key {
	uint8_t id[8];
	uint8_t key[32];
};

/* The 56 characters of a .pub file's second line. 0 or -EINVAL. */
int trust_parse_key(const char *base64, struct trust_key *ret_key);

/*
 * Is SIGNATURE (the text of a signature file, SIGNATURE_N bytes) one of DATA (N bytes) by one of the
 * COUNT KEYS? 0; or with a phrase in ERR ("is signed by a key that is not trusted"): -ENOKEY, -EBADMSG for a
 * damaged signature, -EKEYREJECTED when DATA or the trusted comment is not what was signed.
 */
int trust_check(const struct trust_key *keys, unsigned int count, const void *data, size_t n,
		const char *signature, size_t signature_n, struct vmb_err *err);

/* The same of everything in FD, a sealed memfd: what is checked cannot change afterwards. */
int trust_check_fd(const struct trust_key *keys, unsigned int count, int fd, const char *signature,
		   size_t signature_n, struct vmb_err *err);

#define TRUST_HASH_SIZE 65 /* a SHA-256 as 64 hexadecimal digits */

/*
 * The SHA-256 of the first SIZE bytes of FD, as sha256sum(1) prints it. 0, -EIO when there are fewer, -ETIMEDOUT when
 * reading them has lasted until UNTIL_MS of loop_now_ms(), or -errno.
 */
int trust_hash_fd(int fd, uint64_t size, uint64_t until_ms, char ret_hash[TRUST_HASH_SIZE]);

/*
 * Is PASSWORD the one whose hash is HASH ("$6$...": SHA512-crypt)? 0, -EACCES when it is another one, -EINVAL when
 * HASH is no such hash or asks for more than a million rounds.
 */
int trust_check_password(const char *hash, const char *password);

#define TRUST_PASSWORD_HASH_SIZE 107 /* "$6$", 16 characters of salt, "$", 86 of digest, NUL */

/* A new hash of PASSWORD, its salt by chance. 0, -E2BIG when it is longer than 512 bytes, or -errno without chance. */
int trust_make_password(const char *password, char ret_hash[TRUST_PASSWORD_HASH_SIZE]);

#endif
