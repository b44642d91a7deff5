"""One folder per thing the alliance does; siblings never import each other and meet in `app` or through `wire`."""
