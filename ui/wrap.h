/* Text over several rows, broken at blanks. */
#ifndef VMB_UI_WRAP_H
#define VMB_UI_WRAP_H

#include <stddef.h>

#include "ui/theme.h"

/*
 * How many bytes of TEXT (UTF-8) go into a row of WIDTH columns: up to a blank where there is one, never
 * less than one character. 0 at the end, and for an empty line: a \n ends one.
 */
size_t wrap_line(const char *text, int width);

/* How many rows of WIDTH columns TEXT (UTF-8) takes, broken at blanks and wherever it has a \n; at most MAX. */
int wrap_rows(const char *text, int width, int max);

/* Draws TEXT from ROW on in at most MAX such rows, the last one cut with a mark. Returns the rows used. */
int wrap_draw(int row, int col, int width, int max, enum ui_element element, const char *text);

#endif
