"""How each content type is restored: generators of API calls, without I/O."""
