"""The pages people look at. Empty until the console is built; the API page is served by the desk."""
