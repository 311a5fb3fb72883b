/* key.h - keys as numbers: a character is itself, others stand behind the last one of Unicode. */
#ifndef DLAB_KEY_H
#define DLAB_KEY_H

enum key {
	KEYS_CTRL_C = 3, KEYS_TAB = 9, KEYS_ENTER = 10, KEYS_ESC = 27, KEYS_SPACE = 32, KEYS_DELETE = 127,
	KEYS_UP = 0x110000, KEYS_DOWN, KEYS_LEFT, KEYS_RIGHT, KEYS_PAGE_UP, KEYS_PAGE_DOWN, KEYS_HOME, KEYS_END, KEYS_BACK_TAB,
};

#endif
