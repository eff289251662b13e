/* SPDX-License-Identifier: Apache-2.0 */
/* The least that a static program can cost to start: what `joey --version` is held against. */
int main(void)
{
	return 0;
}
