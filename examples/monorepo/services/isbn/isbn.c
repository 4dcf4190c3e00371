/* Tells whether a number is an ISBN of 13 digits. */
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
    int sum = 0;
    if (argc != 2 || strlen(argv[1]) != 13) {
        fprintf(stderr, "usage: isbn NUMBER\n");
        return 2;
    }
    for (int at = 0; at < 13; at++)
        sum += (argv[1][at] - '0') * (at % 2 ? 3 : 1);
    puts(sum % 10 ? "wrong" : "valid");
    return sum % 10 != 0;
}
