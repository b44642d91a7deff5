"""The pages people look at: rendered here, made of the parts in `templates/parts`, in Chinese and English."""
