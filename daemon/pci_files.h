/* Sysfs and proc, for what is about PCI; ROOT stands for "/" ("" is the running system). */
#ifndef VMB_DAEMON_PCI_FILES_H
#define VMB_DAEMON_PCI_FILES_H

#include <dirent.h>
#include <stddef.h>
#include <stdio.h>

/* Opens the file FMT names below ROOT for reading; NULL when there is none. */
FILE *pci_files_open(const char *root, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Its first line without the newline in BUF, or "". Returns BUF. */
char *pci_files_read_line(char *buf, size_t size, const char *root, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Opens the directory FMT names below ROOT; NULL when there is none. */
DIR *pci_files_open_dir(const char *root, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The next entry but "." and "..", and so on; NULL at the end, or when DIR is NULL. Valid until the next call. */
const char *pci_files_next(DIR *dir);

/* The directory FMT names below ROOT with all links resolved, in REAL (PATH_MAX); NULL when there is none. */
const char *pci_files_resolve(char *real, const char *root, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Writes TEXT to the attribute FMT names below ROOT. 0 or -errno. */
int pci_files_write(const char *text, const char *root, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The driver of function ADDRESS in BUF, or "". Returns BUF. */
char *pci_files_driver(const char *root, const char *address, char *buf, size_t size);

#endif
