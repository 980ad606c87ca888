/*
 * Signatures of minisign and signify, and passwords: what is right is taken, and nothing else is. The signatures
 * are made here, by the description of the formats.
 */
#include "test.h"

#include <crypt.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "loop.h"
#include "sign_test.h"

#define MUTATIONS 3100 /* of a signed image and its signature; of these 3,000 change what is signed */

static const char data[] = "a firmware image, or settings";

static void what_was_signed_is_taken(void **state)
{
	struct signer s[2];
	struct trust_key keys[2];
	char text[1024];

	(void)state;
	for (uint8_t i = 0; i < 2; i++) {
		make_signer(&s[i], (uint8_t)(i + 1));
		keys[i] = s[i].key;
	}
	for (int form = MINISIGN; form <= SIGNIFY; form++)
		for (int i = 0; i < 2; i++) {
			size_t n =
				sign(&s[i], (enum form)form, data, sizeof(data), "version 3", text);

			assert_int_equal(trust_check(keys, 2, data, sizeof(data), text, n, NULL),
					 0);
		}
}

static void what_was_not_signed_is_refused_with_the_reason(void **state)
{
	struct signer s, other;
	struct vmb_err err;
	char text[1024], bad[1024];
	size_t n;

	(void)state;
	make_signer(&s, 1);
	make_signer(&other, 2);
	n = sign(&s, MINISIGN, data, sizeof(data), "version 3", text);
	assert_int_equal(trust_check(&s.key, 1, data, sizeof(data) - 1, text, n, &err),
			 -EKEYREJECTED);
	assert_string_equal(err.text, "is not what was signed: it was changed");
	assert_int_equal(trust_check(&other.key, 1, data, sizeof(data), text, n, &err), -ENOKEY);
	assert_string_equal(err.text, "is signed by a key that is not trusted");
	assert_int_equal(trust_check(NULL, 0, data, sizeof(data), text, n, &err), -ENOKEY);
	assert_int_equal(trust_check(&s.key, 1, data, sizeof(data), "", 0, &err), -EBADMSG);
	assert_string_equal(err.text, "has a damaged signature");
	assert_int_equal(trust_check(&s.key, 1, data, sizeof(data), text, n / 2, &err), -EBADMSG);
	/* The trusted comment is signed, too: a version in it cannot be turned back. */
	memcpy(bad, text, n);
	*(char *)memmem(bad, n, "version 3", 9) = 'V';
	assert_int_equal(trust_check(&s.key, 1, data, sizeof(data), bad, n, &err), -EKEYREJECTED);
	/* And it cannot be taken away from a hash's signature. */
	n = (size_t)(strstr(text, "\ntrusted comment: ") + 1 - text);
	assert_int_equal(trust_check(&s.key, 1, data, sizeof(data), text, n, &err), -EBADMSG);
	/* The key of one with the name of another. */
	memcpy(other.key.id, s.key.id, sizeof(s.key.id));
	n = sign(&s, MINISIGN, data, sizeof(data), "version 3", text);
	assert_int_equal(trust_check(&other.key, 1, data, sizeof(data), text, n, &err),
			 -EKEYREJECTED);
	assert_int_equal(
		trust_parse_key("RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO", &s.key),
		-EINVAL);
	assert_int_equal(trust_parse_key("", &s.key), -EINVAL);
}

/* minisign's own example: a signature that its documentation shows, by the key it shows. */
static void a_signature_of_minisign_itself_is_taken(void **state)
{
	static const char key[] = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
	static const char signature[] =
		"untrusted comment: signature from minisign secret key\n"
		"RUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mGTkUidF/"
		"z7SrlQgXdy8ofjb7bNJJylDOocrCo8KLzZwo=\n"
		"trusted comment: timestamp:1633700835\tfile:test\tprehashed\n"
		"wLMDjy9FLAuxZ3q4NlEvkgtyhrr0gtTu6KC4KBJdITbbOeAi1zBIYo0v4iTgt8jJ"
		"pIidRJnp94ABQkJAgAooBQ==\n";
	struct trust_key parsed;

	(void)state;
	assert_int_equal(trust_parse_key(key, &parsed), 0);
	assert_int_equal(trust_check(&parsed, 1, "test", 4, signature, strlen(signature), NULL), 0);
	assert_int_equal(trust_check(&parsed, 1, "Test", 4, signature, strlen(signature), NULL),
			 -EKEYREJECTED);
}

static uint32_t next_random(uint64_t *random)
{
	*random = *random * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(*random >> 33);
}

/* A bit, a byte, a piece cut off, put in or doubled, of the image or of the signature: none passes. */
static void no_tampering_passes(void **state)
{
	static uint8_t image[16384], changed[2 * sizeof(image)];
	char text[1024], bad[2048];
	struct signer s;
	uint64_t random = 4711;
	int refused = 0;

	(void)state;
	make_signer(&s, 7);
	for (size_t i = 0; i < sizeof(image); i++)
		image[i] = (uint8_t)next_random(&random);
	for (int i = 0; i < MUTATIONS; i++) {
		enum form form = (enum form)(i % 3);
		size_t text_n = sign(&s, form, image, sizeof(image), "version 3", text);
		size_t image_n = sizeof(image), *n = i & 1 ? &image_n : &text_n, at, len;
		uint8_t *bytes = i & 1 ? changed : (uint8_t *)bad;

		memcpy(changed, image, sizeof(image));
		memcpy(bad, text, text_n);
		at = next_random(&random) % *n;
		len = 1 + next_random(&random) % (*n - at);
		switch (next_random(&random) % 5) {
		case 0: bytes[at] ^= (uint8_t)(1u << next_random(&random) % 8); break;
		case 1: bytes[at] = (uint8_t)next_random(&random); break;
		case 2: *n = at; break;
		case 3:
			memmove(bytes + at + len, bytes + at, *n - at);
			*n += len;
			break;
		default:
			memmove(bytes + at, bytes + at + len, *n - at - len);
			*n -= len;
			break;
		}
		/* The first line is a comment that nobody signs, line ends do not matter, and a change may
		 * be none: what is left is then what was signed. */
		if (trust_check(&s.key, 1, changed, image_n, bad, text_n, NULL) != 0) {
			refused++;
			continue;
		}
		assert_int_equal(image_n, sizeof(image));
		assert_memory_equal(changed, image, sizeof(image));
		assert_true(!(i & 1) || memcmp(changed, image, image_n) == 0);
	}
	/* What is not counted changed nothing that is signed. */
	print_message("reliability_tampering_tried %d count\n", refused);
	print_message("reliability_tampering_passed 0 count\n");
	assert_true(refused >= 3000);
}

static void a_sealed_file_is_checked(void **state)
{
	struct signer s;
	struct vmb_err err;
	char text[1024];
	int fd = memfd_create("test", MFD_CLOEXEC);
	size_t n;

	(void)state;
	make_signer(&s, 3);
	n = sign(&s, MINISIGN, data, sizeof(data), "", text);
	assert_int_equal(trust_check_fd(&s.key, 1, fd, text, n, &err), -EIO);
	assert_int_equal(write(fd, data, sizeof(data)), sizeof(data));
	assert_int_equal(trust_check_fd(&s.key, 1, fd, text, n, &err), 0);
	assert_int_equal(pwrite(fd, "B", 1, 0), 1);
	assert_int_equal(trust_check_fd(&s.key, 1, fd, text, n, &err), -EKEYREJECTED);
	close(fd);
}

/* ---- hashes ---- */

/* The examples of FIPS 180-2, and what is not there is no hash. */
static void a_file_is_hashed_as_sha256sum_does(void **state)
{
	static const struct {
		const char *text, *hash;
	} known[] = {
		{"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		{"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
	};
	static char million[1000000];
	char hash[TRUST_HASH_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		int fd = memfd_create("hash", MFD_CLOEXEC);
		size_t n = strlen(known[i].text);

		assert_int_equal(write(fd, known[i].text, n), n);
		assert_int_equal(trust_hash_fd(fd, n, UINT64_MAX, hash), 0);
		assert_string_equal(hash, known[i].hash);
		assert_int_equal(trust_hash_fd(fd, n + 1, UINT64_MAX, hash), -EIO);
		close(fd);
		assert_int_equal(trust_hash_fd(fd, n + 1, UINT64_MAX, hash), -EBADF);
	}
	memset(million, 'a', sizeof(million));
	{
		int fd = memfd_create("hash", MFD_CLOEXEC);

		assert_int_equal(write(fd, million, sizeof(million)), sizeof(million));
		/* A disk that is too slow for it has no hash, and whoever waits his answer. */
		strcpy(hash, "as before");
		assert_int_equal(trust_hash_fd(fd, sizeof(million), loop_now_ms(), hash),
				 -ETIMEDOUT);
		assert_string_equal(hash, "as before");
		assert_int_equal(trust_hash_fd(fd, sizeof(million), UINT64_MAX, hash), 0);
		close(fd);
	}
	assert_string_equal(hash, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* ---- passwords ---- */

static void passwords_are_as_the_system_makes_them(void **state)
{
	static const char *const settings[] = {"$6$saltstring$", "$6$rounds=1000$a$", "$6$$",
					       "$6$rounds=1400$0123456789abcdef$"};
	char password[200] = "";

	(void)state;
	for (int n = 0; n < 150; n += n < 70 ? 7 : 31) {
		memset(password, 'a' + n % 26, (size_t)n);
		password[n] = '\0';
		for (size_t i = 0; i < 4; i++) {
			struct crypt_data crypted = {.initialized = 0};
			const char *hash = crypt_r(password, settings[i], &crypted);

			assert_memory_equal(hash, "$6$", 3);
			assert_int_equal(trust_check_password(hash, password), 0);
			assert_int_equal(trust_check_password(hash, "wrong"), -EACCES);
		}
	}
}

static void what_is_no_hash_matches_nothing(void **state)
{
	static const char *const bad[] = {
		"",
		"secret",
		"$6$",
		"$6$salt",
		"$6$salt$",
		"$6$salt$short",
		"$1$salt$hash",
		"$y$j9T$x$y",
		"$6$rounds=9999999$salt$wZU8LXJfJJqoagopbB7RuK6JEotEMZ0CQDy0phpPAuLMYQFcmf6L6BdAbs/"
		"Q7w7o1qsZ9"
		"pFqFVY4yuUSWgaYt1",
		"$6$seventeencharacts$wZU8LXJfJJqoagopbB7RuK6JEotEMZ0CQDy0phpPAuLMYQFcmf6L6BdAbs/"
		"Q7w7o1qsZ9"
		"pFqFVY4yuUSWgaYt1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(trust_check_password(bad[i], "secret"), -EINVAL);
}

static void a_new_hash_is_of_its_password_alone(void **state)
{
	char one[TRUST_PASSWORD_HASH_SIZE], two[TRUST_PASSWORD_HASH_SIZE], long_one[600];
	struct crypt_data crypted = {.initialized = 0};

	(void)state;
	assert_int_equal(trust_make_password("open sesame", one), 0);
	assert_int_equal(trust_make_password("open sesame", two), 0);
	/* Another salt each time; and the system takes it as it takes its own. */
	assert_string_not_equal(one, two);
	assert_int_equal(trust_check_password(one, "open sesame"), 0);
	assert_int_equal(trust_check_password(one, "open sesam"), -EACCES);
	assert_string_equal(crypt_r("open sesame", one, &crypted), one);
	assert_int_equal(strspn(one + 3, "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"),
			 16);
	memset(long_one, 'x', sizeof(long_one) - 1);
	long_one[sizeof(long_one) - 1] = '\0';
	assert_int_equal(trust_make_password(long_one, one), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_signed_is_taken),
		cmocka_unit_test(what_was_not_signed_is_refused_with_the_reason),
		cmocka_unit_test(a_signature_of_minisign_itself_is_taken),
		cmocka_unit_test(no_tampering_passes),
		cmocka_unit_test(a_sealed_file_is_checked),
		cmocka_unit_test(a_file_is_hashed_as_sha256sum_does),
		cmocka_unit_test(passwords_are_as_the_system_makes_them),
		cmocka_unit_test(what_is_no_hash_matches_nothing),
		cmocka_unit_test(a_new_hash_is_of_its_password_alone),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
