/* Keys and signatures for tests, made by the description of the formats. */
#ifndef VMB_TESTS_UNIT_SIGN_TEST_H
#define VMB_TESTS_UNIT_SIGN_TEST_H

#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#include <sodium.h>

#include "trust.h"

struct signer {
	uint8_t id[8];
	uint8_t pk[crypto_sign_PUBLICKEYBYTES], sk[crypto_sign_SECRETKEYBYTES];
	char pub[128]; /* as in the second line of a .pub file */
	struct trust_key key;
};

static inline char *sign_base64(const void *data, size_t n, char *text)
{
	return sodium_bin2base64(text, sodium_base64_encoded_len(n, sodium_base64_VARIANT_ORIGINAL),
				 data, n, sodium_base64_VARIANT_ORIGINAL);
}

static inline void make_signer(struct signer *s, uint8_t seed_byte)
{
	uint8_t seed[crypto_sign_SEEDBYTES], raw[42] = "Ed";

	memset(seed, seed_byte, sizeof(seed));
	memset(s->id, seed_byte, sizeof(s->id));
	crypto_sign_seed_keypair(s->pk, s->sk, seed);
	memcpy(raw + 2, s->id, 8);
	memcpy(raw + 10, s->pk, 32);
	sign_base64(raw, sizeof(raw), s->pub);
	assert_int_equal(trust_parse_key(s->pub, &s->key), 0);
}

enum form { MINISIGN, MINISIGN_LEGACY, SIGNIFY };

/* The text of a signature file of DATA; its length. */
static inline size_t sign(const struct signer *s, enum form form, const void *data, size_t n,
			  const char *comment, char *text)
{
	uint8_t raw[74], hash[64], global[64], *message;
	char line[128], line2[128];

	memcpy(raw, form == MINISIGN ? "ED" : "Ed", 2);
	memcpy(raw + 2, s->id, 8);
	crypto_generichash(hash, sizeof(hash), data, n, NULL, 0);
	if (form == MINISIGN)
		crypto_sign_detached(raw + 10, NULL, hash, sizeof(hash), s->sk);
	else
		crypto_sign_detached(raw + 10, NULL, data, n, s->sk);
	sign_base64(raw, sizeof(raw), line);
	if (form == SIGNIFY)
		return (size_t)sprintf(text, "untrusted comment: verify with x.pub\n%s\n", line);
	message = malloc(64 + strlen(comment));
	memcpy(message, raw + 10, 64);
	memcpy(message + 64, comment, strlen(comment));
	crypto_sign_detached(global, NULL, message, 64 + strlen(comment), s->sk);
	free(message);
	sign_base64(global, sizeof(global), line2);
	return (size_t)sprintf(text, "untrusted comment: signature\n%s\ntrusted comment: %s\n%s\n",
			       line, comment, line2);
}

#endif
