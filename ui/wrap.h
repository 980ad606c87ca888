/* Text over several rows, broken at blanks. */
#ifndef VMB_UI_WRAP_H
#define VMB_UI_WRAP_H

#include <stddef.h>

#include "ui/theme.h"

/*
 * How many bytes of TEXT (UTF-8) go into a row of WIDTH columns: up to a blank where there is one, never
 * less than one character. 0 at the end.
 */
size_t wrap_line(const char *text, int width);

/* Draws TEXT from ROW on in at most MAX rows, the last one cut with a mark. Returns the rows used. */
int wrap_draw(int row, int col, int width, int max, enum ui_element element, const char *text);

#endif
