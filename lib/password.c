/*
 * SHA512-crypt, "Unix crypt using SHA-256 and SHA-512" (U. Drepper, version 0.6), which `openssl passwd -6`
 * and mkpasswd print. All of libcrypt would cost a tenth of the program for the kinds nobody needs here.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <sodium/crypto_hash_sha512.h>
#include <sodium/utils.h>

#include "trust.h"

#define DIGEST	     64
#define SALT_MAX     16
#define PASSWORD_MAX 512
#define ROUNDS	     5000
#define ROUNDS_MIN   1000
#define ROUNDS_MAX   1000000
#define TEXT_SIZE    86 /* of the digest, without a NUL */

struct hash {
	const char *salt;
	size_t salt_n;
	unsigned long rounds;
	const char *text; /* the digest */
};

static int parse_hash(const char *hash, struct hash *ret)
{
	const char *end;
	char *after;

	if (strncmp(hash, "$6$", 3) != 0)
		return -EINVAL;
	hash += 3;
	ret->rounds = ROUNDS;
	if (strncmp(hash, "rounds=", 7) == 0) {
		ret->rounds = strtoul(hash + 7, &after, 10);
		if (*after != '$' || ret->rounds < ROUNDS_MIN || ret->rounds > ROUNDS_MAX)
			return -EINVAL;
		hash = after + 1;
	}
	end = strchr(hash, '$');
	if (!end || end - hash > SALT_MAX || strlen(end + 1) != TEXT_SIZE)
		return -EINVAL;
	ret->salt = hash;
	ret->salt_n = (size_t)(end - hash);
	ret->text = end + 1;
	return 0;
}

static void add(crypto_hash_sha512_state *state, const void *data, size_t n)
{
	crypto_hash_sha512_update(state, data, n);
}

/* N bytes of DIGEST again and again. */
static void add_repeated(crypto_hash_sha512_state *state, const uint8_t digest[DIGEST], size_t n)
{
	for (; n > DIGEST; n -= DIGEST)
		add(state, digest, DIGEST);
	add(state, digest, n);
}

/* Steps 1 to 12. */
static void first_digest(const char *key, size_t key_n, const struct hash *hash,
			 uint8_t ret[DIGEST])
{
	crypto_hash_sha512_state state;
	uint8_t b[DIGEST];

	crypto_hash_sha512_init(&state);
	add(&state, key, key_n);
	add(&state, hash->salt, hash->salt_n);
	add(&state, key, key_n);
	crypto_hash_sha512_final(&state, b);

	crypto_hash_sha512_init(&state);
	add(&state, key, key_n);
	add(&state, hash->salt, hash->salt_n);
	add_repeated(&state, b, key_n);
	for (size_t bits = key_n; bits > 0; bits >>= 1)
		if (bits & 1)
			add(&state, b, DIGEST);
		else
			add(&state, key, key_n);
	crypto_hash_sha512_final(&state, ret);
}

/* TIMES copies of TEXT, hashed, as N bytes that go on repeating. */
static void sequence(const char *text, size_t n, size_t times, uint8_t *ret)
{
	crypto_hash_sha512_state state;
	uint8_t digest[DIGEST];

	crypto_hash_sha512_init(&state);
	for (size_t i = 0; i < times; i++)
		add(&state, text, n);
	crypto_hash_sha512_final(&state, digest);
	for (size_t i = 0; i < n; i++)
		ret[i] = digest[i % DIGEST];
}

static const char digits[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/* Step 22. */
static void encode(const uint8_t d[DIGEST], char text[TEXT_SIZE])
{
	unsigned int at[3] = {0, 21, 42};
	uint32_t bits;
	size_t n = 0;

	for (int group = 0; group < 21; group++) {
		unsigned int first = at[0];

		bits = (uint32_t)d[at[0]] << 16 | (uint32_t)d[at[1]] << 8 | d[at[2]];
		for (int i = 0; i < 4; i++, bits >>= 6)
			text[n++] = digits[bits & 63];
		at[0] = at[1] + 1;
		at[1] = at[2] + 1;
		at[2] = first + 1;
	}
	bits = d[63];
	text[n++] = digits[bits & 63];
	text[n] = digits[bits >> 6];
}

/* The digest of PASSWORD (N bytes, at most PASSWORD_MAX) with the salt and the rounds of HASH. */
static void digest_text(const char *password, size_t n, const struct hash *hash,
			char text[TEXT_SIZE])
{
	uint8_t a[DIGEST], p[PASSWORD_MAX], s[SALT_MAX];
	crypto_hash_sha512_state state;

	first_digest(password, n, hash, a);
	sequence(password, n, n, p);
	sequence(hash->salt, hash->salt_n, 16u + a[0], s);
	for (unsigned long i = 0; i < hash->rounds; i++) {
		crypto_hash_sha512_init(&state);
		add(&state, i & 1 ? p : a, i & 1 ? n : DIGEST);
		if (i % 3)
			add(&state, s, hash->salt_n);
		if (i % 7)
			add(&state, p, n);
		add(&state, i & 1 ? a : p, i & 1 ? DIGEST : n);
		crypto_hash_sha512_final(&state, a);
	}
	encode(a, text);
	sodium_memzero(a, sizeof(a));
	sodium_memzero(p, sizeof(p));
}

int trust_check_password(const char *hash_text, const char *password)
{
	size_t n = strlen(password);
	char text[TEXT_SIZE];
	struct hash hash;

	if (parse_hash(hash_text, &hash) < 0)
		return -EINVAL;
	if (n > PASSWORD_MAX)
		return -EACCES;
	digest_text(password, n, &hash, text);
	return sodium_memcmp(text, hash.text, TEXT_SIZE) == 0 ? 0 : -EACCES;
}

int trust_make_password(const char *password, char ret_hash[TRUST_PASSWORD_HASH_SIZE])
{
	size_t n = strlen(password);
	char salt[SALT_MAX], text[TEXT_SIZE];
	struct hash hash = {.salt = salt, .salt_n = sizeof(salt), .rounds = ROUNDS};

	if (n > PASSWORD_MAX)
		return -E2BIG;
	if (getrandom(salt, sizeof(salt), 0) != (ssize_t)sizeof(salt))
		return -EIO;
	for (size_t i = 0; i < sizeof(salt); i++)
		salt[i] = digits[salt[i] & 63];
	digest_text(password, n, &hash, text);
	snprintf(ret_hash, TRUST_PASSWORD_HASH_SIZE, "$6$%.*s$%.*s", SALT_MAX, salt, TEXT_SIZE,
		 text);
	return 0;
}
