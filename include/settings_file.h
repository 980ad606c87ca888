/* vmboot.conf: the settings of the menu and of what starts by itself. */
#ifndef VMB_INCLUDE_SETTINGS_FILE_H
#define VMB_INCLUDE_SETTINGS_FILE_H

#include <stddef.h>

#include "err.h"
#include "ini_keys.h"
#include "menu_proto.h"

#define SETTINGS_MAX_KEYS      4
#define SETTINGS_KEY_SIZE      64  /* a minisign or signify public key in base64 is 56 characters */
#define SETTINGS_PASSWORD_SIZE 128 /* a crypt(5) hash */

struct settings_file {
	struct menu_settings values;			 /* the daemon's part of it stays zero */
	char default_id[MENU_ID_SIZE];			 /* empty: nothing starts by itself */
	char password[SETTINGS_PASSWORD_SIZE];		 /* empty: no lock */
	char keys[SETTINGS_MAX_KEYS][SETTINGS_KEY_SIZE]; /* whose signatures are trusted */
	unsigned int key_count;
	bool password_bad; /* the line is there and not understood: locked, nobody can open it */
	bool trust_bad;	   /* the same of the trust policy: taken for `require` */
};

/* What holds without a file. */
void settings_file_init(struct settings_file *file);

/*
 * Reads N bytes of TEXT over the defaults. REPORT (may be NULL) is told of what is wrong, the rest is
 * taken. 0 or -ENOMEM.
 */
int settings_file_parse(const char *text, size_t n, const struct ini_report *report,
			struct settings_file *ret_file);

/* The value of `timeout`: seconds, -1 for "off". 0 or -EINVAL. */
int settings_file_parse_timeout(const char *value, int32_t *ret_seconds);

/* The text of FILE, made from OLD as entry_file_render() does. NULL with the sentence. */
char *settings_file_render(const struct settings_file *file, const char *old, size_t n,
			   size_t *ret_n, struct vmb_err *err);

/* Values that came from a menu: 0, or -EINVAL with the sentence. */
int settings_file_check(const struct menu_settings *values, struct vmb_err *err);

#endif
