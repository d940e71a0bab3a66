/* Text from outside that has to be UTF-8 from here on. */
#pragma once

/* Invalid UTF-8 and control characters become '?', in place, so that any output fits into JSON. */
void text_clean(char *text);
